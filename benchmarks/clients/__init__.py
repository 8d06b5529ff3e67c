"""Who asks: the clients of the compared systems, and a proxy that counts the bytes that they receive."""
