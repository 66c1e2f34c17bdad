// Modules as GNOME Shell 43 and 44 load them.

const {Clutter, Gio, GLib, St} = imports.gi;
const Main = imports.ui.main;
const PanelMenu = imports.ui.panelMenu;
const PopupMenu = imports.ui.popupMenu;

class Extension {}

function init() {
    return new PybusExtension();
}

