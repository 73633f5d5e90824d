"""The messages for what continues from a job.

* ``answers``   what the desk answers
* ``forms``     titles, labels and hints of forms
* ``lineage``   from which job another one continues
* ``refusals``  errors
"""
