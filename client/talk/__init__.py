"""What is said to a server, and what it says: connections, dialects, logins, addresses."""
