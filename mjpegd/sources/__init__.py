"""Where frames come from: implementations of IFrameSource and ILiveSource."""
