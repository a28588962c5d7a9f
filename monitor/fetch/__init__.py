"""Requests to addresses that somebody typed: pictures to fetch, webhooks to call."""
