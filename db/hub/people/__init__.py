"""Accounts, their logins, second factors, single sign-on, and keys for programs."""
