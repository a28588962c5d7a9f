"""The server: sockets, threads, limits on connections, TLS."""
