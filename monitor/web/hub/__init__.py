"""What the pages of a hub share: accounts, changes and their audit log, and what a person sees."""
