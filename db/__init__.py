"""The database: schema, migrations, writing, reading, upkeep. The only package with SQLAlchemy."""
