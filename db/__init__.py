"""Where sessions are kept: schema, migrations, the one write thread, and queries. The only room with SQLAlchemy."""
