"""The Bag of Tricks as it is started by its name, as one of the processes that the environment names."""

import runpy

runpy.run_module("experiments.bag_of_tricks", run_name="__main__", alter_sys=True)
