"""Sheets: one job of small pictures that differ in one or two ways, one picture made of them, and a choice.

* ``writing``  from a comparison or drafts to the recipe of one job
* ``picture``  one labelled picture of the job's pictures

A sheet is one job with one charge: ``RenderRequest.cells`` says what each picture is drawn of, and the worker
draws one after the other. So taking, attempts, cancel and refund are those of every job.
"""
