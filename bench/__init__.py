"""Measurements of Insula: each module prints its figures with n, spread and what limited them."""
