"""YAML files that people write by hand, read within limits; a leaf room that knows no other."""

from yamlfiles.reading import LARGEST_BYTES, YamlFileError, read_yaml

__all__ = ["LARGEST_BYTES", "YamlFileError", "read_yaml"]
