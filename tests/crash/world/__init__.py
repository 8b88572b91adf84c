"""The world around the gateway, in one process: `python -m crash.world`."""
