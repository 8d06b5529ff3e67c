"""The story of a reply: its parameters, its queue, and the way from the engine to a coroutine."""
