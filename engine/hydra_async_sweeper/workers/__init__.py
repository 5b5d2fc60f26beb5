"""The worker: pulls trials from the study under a lease, and runs each as a Hydra job."""
