"""What a request becomes before it is a job.

* ``recipes``  a request or an earlier job → a recipe
"""
