"""Network architectures by name, one module each; every module offers `build(heads, ...)`."""
