"""Where packets go: implementations of IPacketSender."""
