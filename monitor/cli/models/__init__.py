"""Commands about models: classify with them, train, measure and promote them."""
