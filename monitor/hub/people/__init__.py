"""Accounts, passwords, second factors, single sign-on, and how long traces of them are kept."""
