"""What ships with the bus: ordinary clients of it, which use its public API only."""
