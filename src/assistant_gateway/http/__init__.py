"""The gateway's one HTTP server, what guards its door, and the client for addresses that others choose."""
