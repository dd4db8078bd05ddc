"""Pure: desired × observed → actions, conditions, next look. No I/O, no clock."""
