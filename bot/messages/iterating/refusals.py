"""The refusals of what continues from a job."""

from bot import errors
from bot.messages.catalogue import N_

CONTINUING_SENTENCES: dict[type[Exception], str] = {
    errors.BadPicture: N_("A job has pictures 1 to {limit}, not “{text}”."),
    errors.NoSuchPicture: N_("Job {job_id} has no picture {number}; it has {count} in all."),
    errors.ChooseFromSheet: N_(
        "Job {job_id} is a sheet. “/adopt {job_id} 2” draws its picture 2 alone, at full size."
    ),
    errors.NoSheet: N_("There is no sheet to choose from. /compare and /draft draw one."),
    errors.StartGone: N_(
        "Picture {number} of job {job_id}, with which this begins, is no longer here at full size; I charged "
        "nothing. Draw that job again first: /recipe {job_id}"
    ),
    errors.AlreadyLarge: N_(
        "The pictures of job {job_id} have {width_px} × {height_px} already, and this model draws nothing "
        "larger. Original file sends them as they are."
    ),
    errors.AlreadyPublic: N_("Job {job_id} is public already."),
    errors.NothingToPublish: N_(
        "Nobody but you reads the chat where you asked for job {job_id}, so there is nothing to publish. Ask "
        "for the pictures in a group, or send them there yourself."
    ),
    errors.LoraWithdrawn: N_(
        "A LoRA of job {job_id} may not be used any more, so its pictures stay private."
    ),
    errors.StillSending: N_(
        "The pictures of job {job_id} are being sent right now. Please try again in a few seconds."
    ),
    errors.PressAgain: N_(
        "Delete the pictures and the text of job {job_id} for good? Press the button again within "
        "{seconds} s."
    ),
    errors.NotEnded: N_("Job {job_id} has not ended yet. Cancel it first, or wait for its pictures."),
    errors.OwnJob: N_("Job {job_id} is yours. If you do not want its pictures, delete them."),
    errors.TooManyReports: N_(
        "You have reported {limit} jobs in the last day, which is the limit. Please write to a host directly."
    ),
}
