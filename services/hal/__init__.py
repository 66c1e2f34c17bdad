"""Hardware events as topics."""
