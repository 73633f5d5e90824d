"""How the built-in model is trained: pools of drawn faces, and one file a stage. Never imported by the worker."""
