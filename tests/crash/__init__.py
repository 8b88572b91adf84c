"""
The crash test: a gateway is killed at its worst moments, and the world around it keeps the books.

`crash.world` is one process: people, a chat platform, a receiver of callbacks, a model and a
service with effects. `crash.gateway` is the process that is killed: a whole gateway on a SQLite
file. `crash.campaign` starts and kills it, and `crash.check` reads the world's record, never the
gateway's database.
"""
