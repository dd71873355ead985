"""The shells' tools: driver, UDP sockets, port pool."""
