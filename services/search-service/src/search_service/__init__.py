"""Ranks posted documents by BM25 and shows where they match."""
