"""Batch job runner for paid image generation."""
