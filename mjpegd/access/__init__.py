"""Who may watch: logins, rights, and the users file that says them."""
