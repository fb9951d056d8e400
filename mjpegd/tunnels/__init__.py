"""RTSP for viewers behind proxies: inside HTTP, and inside WebSocket."""
