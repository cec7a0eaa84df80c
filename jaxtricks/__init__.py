"""The training tricks of modern image models as pure JAX functions. Import the sub-module you need."""
