"""
The model providers: everything that answers with a stream of events.

Each module here is one `Backend`; it is found by its entry point, exactly as a stranger's.
"""
