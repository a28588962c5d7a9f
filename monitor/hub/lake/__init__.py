"""The lake: Parquet files of cells and plays by day, for DuckDB and for anything else."""
