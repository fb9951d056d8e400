"""What travels so that nobody else can read it: connections by TLS, media by SRTP."""
