// A button in the panel that shows what pybus tells, and sets the chat status.
// `install` writes this behind the imports of the form that the running shell loads.

const BUS = 'org.pybus.Bus';
const PATH = '/org/pybus/Bus';
const INTERFACE = `<node><interface name="org.pybus.Bus1">
    <method name="Subscribe"><arg type="s" direction="in"/><arg type="u" direction="out"/></method>
    <method name="Unsubscribe"><arg type="u" direction="in"/></method>
    <method name="Call">
        <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="av" direction="in"/>
        <arg type="a{sv}" direction="in"/><arg type="v" direction="out"/>
    </method>
    <signal name="Message"><arg type="s"/><arg type="v"/><arg type="s"/><arg type="a{sv}"/></signal>
    <signal name="Missed"><arg type="u"/><arg type="a{st}"/></signal>
    <property name="Up" type="b" access="read"/>
</interface></node>`;

const CHAT = 'chat.status';
const MESSAGE = 'chat.message';
const ERROR = 'chat.error';
const MAINS = 'hal.power.ac';
const BATTERY = 'hal.power.battery.level';
const SCREENSAVER = 'desktop.screensaver';

const STATUSES = new Map([
    ['available', ['Available', 'user-available-symbolic']],
    ['away', ['Away', 'user-away-symbolic']],
    ['dnd', ['Do not disturb', 'user-busy-symbolic']],
    ['offline', ['Offline', 'user-offline-symbolic']],
]);
const UNKNOWN = ['Unknown', 'user-status-pending-symbolic'];

// The kept values of some topics, as they are now.
// `changed` is called with a topic whenever its value changes, and without one when the bus comes or goes.
class Values {
    constructor(topics, changed) {
        this._topics = topics;
        this._changed = changed;
        this._known = new Map();
        this._subscriptions = new Map(); // by topic: a promise of the reply, which holds the number
        this._destroyed = new Gio.Cancellable();
        const Proxy = Gio.DBusProxy.makeProxyWrapper(INTERFACE);
        new Proxy(Gio.DBus.session, BUS, PATH, (proxy, error) => this._connect(proxy, error), this._destroyed);
    }

    get up() {
        return Boolean(this._owner && this._proxy.Up);
    }

    get(topic) {
        return this._known.get(topic);
    }

    // Call a method of a program on the bus. Throws its refusal; Gio.IOErrorEnum.CANCELLED once destroyed.
    async call(name, method, ...args) {
        try {
            await this._proxy.CallAsync(name, method, args, {}, this._destroyed);
        } catch (error) {
            Gio.DBusError.strip_remote_error(error);
            throw error;
        }
    }

    destroy() {
        this._destroyed.cancel();
        this._handlers?.forEach(id => this._proxy.disconnect(id));
        this._unsubscribe();
    }

    _connect(proxy, error) {
        if (this._destroyed.is_cancelled())
            return;
        if (error) {
            console.error(`pybus: ${error.message}`);
            return;
        }
        this._proxy = proxy;
        this._handlers = [
            proxy.connect('notify::g-name-owner', () => this._follow()),
            proxy.connect('g-properties-changed', () => this._follow()),
            proxy.connect('g-signal', (_, sender, signal, args) => this._hear(signal, args.recursiveUnpack())),
        ];
        this._follow();
    }

    _follow() {
        if (this._owner !== this._proxy.g_name_owner)
            this._subscriptions.clear(); // they ended with whoever held them
        this._owner = this._proxy.g_name_owner;
        if (this._owner) // who stays while somebody subscribes, also without a bus
            this._topics.filter(topic => !this._subscriptions.has(topic)).forEach(topic => this._subscribe(topic));
        if (!this.up)
            this._known.clear();
        this._changed();
    }

    _subscribe(topic) {
        const subscribed = this._proxy.SubscribeAsync(topic);
        this._subscriptions.set(topic, subscribed);
        subscribed.catch(error => {
            if (this._subscriptions.get(topic) !== subscribed)
                return; // the answer to a question of before
            this._subscriptions.delete(topic);
            console.warn(`pybus: no ${topic}: ${error.message}`);
        });
    }

    _unsubscribe() {
        for (const subscribed of this._subscriptions.values()) {
            const end = ([id]) => this._proxy.UnsubscribeRemote(id, Gio.DBusCallFlags.NO_AUTO_START);
            subscribed.then(end, () => {});
        }
        this._subscriptions.clear();
    }

    _hear(signal, args) {
        if (signal === 'Message') {
            this._note(...args);
        } else if (signal === 'Missed') {
            this._unsubscribe(); // and anew, as then the values of now come first
            this._known.clear();
            this._follow();
        }
    }

    _note(topic, body, sender, info) {
        if (!this._topics.includes(topic))
            return; // another extension's: all have one connection
        if (info.cleared)
            this._known.delete(topic);
        else
            this._known.set(topic, body);
        this._changed(topic);
    }
}

class Panel {
    constructor() {
        this._button = new PanelMenu.Button(0.5, 'pybus');
        this._addIcons();
        this._addMenu(this._button.menu);
        Main.panel.addToStatusArea('pybus', this._button);
        this._refusal = '';
        const topics = [CHAT, MESSAGE, ERROR, MAINS, BATTERY, SCREENSAVER];
        this._values = new Values(topics, topic => this._note(topic));
        this._show();
    }

    destroy() {
        this._values.destroy();
        this._button.destroy();
    }

    _addIcons() {
        const box = new St.BoxLayout({style_class: 'panel-status-indicators-box'});
        const add = child => {
            box.add_child(child);
            return child;
        };
        this._chatIcon = add(new St.Icon({style_class: 'system-status-icon'}));
        this._noBus = add(new St.Label({text: 'no bus', y_align: Clutter.ActorAlign.CENTER}));
        this._powerIcon = add(new St.Icon({style_class: 'system-status-icon'}));
        this._awakeIcon = add(new St.Icon({style_class: 'system-status-icon', icon_name: 'view-reveal-symbolic'}));
        this._button.add_child(box);
    }

    _addMenu(menu) {
        const add = item => {
            menu.addMenuItem(item);
            return item;
        };
        this._statuses = [...STATUSES].map(([status, [text, icon]]) => {
            const item = add(new PopupMenu.PopupImageMenuItem(text, icon));
            item.label.x_expand = true; // the check mark stands at the right
            item.connect('activate', () => this._set(status));
            return [status, item];
        });
        this._message = new St.Entry({hint_text: 'Status message', can_focus: true, style: 'width: 15em;'});
        this._message.clutter_text.connect('activate', () => {
            const status = this._values.get(CHAT);
            this._set(STATUSES.has(status) ? status : 'available');
            menu.close();
        });
        menu.connect('open-state-changed', (_, open) => {
            if (open)
                this._message.text = this._values.get(MESSAGE) ?? '';
        });
        this._messageLine = add(new PopupMenu.PopupBaseMenuItem({activate: false, can_focus: false}));
        this._messageLine.add_child(this._message);
        this._problem = add(inactive('dialog-warning-symbolic'));
        this._problem.label.style = 'max-width: 20em;';
        this._problem.label.clutter_text.line_wrap = true;
        add(new PopupMenu.PopupSeparatorMenuItem());
        this._power = add(inactive(''));
        this._awake = add(inactive('view-reveal-symbolic', 'The screen stays on'));
    }

    _note(topic) {
        if (topic === CHAT)
            this._refusal = ''; // of what was asked for before
        this._show();
    }

    async _set(status) {
        this._refusal = '';
        this._show();
        try {
            await this._values.call('org.pybus.Presence', 'set',
                new GLib.Variant('s', status), new GLib.Variant('s', this._message.text));
        } catch (error) {
            if (error.matches?.(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED))
                return; // nobody is there to see it
            this._refusal = error.message;
            this._show();
        }
    }

    _show() {
        const values = this._values;
        const chat = values.get(CHAT);
        const [text, icon] = STATUSES.get(chat) ?? UNKNOWN;
        this._button.accessible_name = values.up ? `pybus: ${text}` : 'pybus: no bus';
        this._chatIcon.icon_name = values.up ? icon : 'network-offline-symbolic';
        this._noBus.visible = !values.up;
        for (const [status, item] of this._statuses) {
            item.setSensitive(values.up);
            item.setOrnament(status === chat ? PopupMenu.Ornament.CHECK : PopupMenu.Ornament.NONE);
        }
        this._messageLine.visible = values.up;
        this._problem.label.text = values.up ? values.get(ERROR) ?? this._refusal : 'There is no bus.';
        this._problem.visible = this._problem.label.text !== '';
        this._showPower(values.get(MAINS), values.get(BATTERY));
        this._awake.visible = this._awakeIcon.visible = values.get(SCREENSAVER) === 'inhibited';
    }

    _showPower(mains, level) {
        const known = mains !== undefined || level !== undefined;
        this._power.visible = this._powerIcon.visible = known;
        if (!known)
            return;
        const icon = powerIcon(mains, level);
        this._powerIcon.icon_name = icon;
        this._power.setIcon(icon);
        const words = [];
        if (mains !== undefined)
            words.push(mains === 'plugged' ? 'On mains' : 'On battery');
        if (level !== undefined)
            words.push(`${level} %`);
        this._power.label.text = words.join(', ');
    }
}

function powerIcon(mains, level) {
    if (level === undefined)
        return mains === 'plugged' ? 'ac-adapter-symbolic' : 'battery-missing-symbolic';
    const tens = 10 * Math.floor(level / 10);
    if (mains !== 'plugged')
        return `battery-level-${tens}-symbolic`;
    return tens === 100 ? 'battery-level-100-charged-symbolic' : `battery-level-${tens}-charging-symbolic`;
}

function inactive(icon, text = '') {
    return new PopupMenu.PopupImageMenuItem(text, icon, {activate: false, hover: false, can_focus: false});
}

class PybusExtension extends Extension {
    enable() {
        this._panel = new Panel();
    }

    disable() {
        this._panel.destroy();
        this._panel = null;
    }
}
