"""The process that a run lives in: signals, a watchdog, other processes, steps in flight."""
