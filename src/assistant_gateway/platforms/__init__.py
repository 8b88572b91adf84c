"""
What adapters of different platforms need alike: reading JSON, taking files, ending talks of bots.

An adapter may use these, and knows nothing of another adapter.
"""
