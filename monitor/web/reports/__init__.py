"""Reports as the pages and the API send them."""
