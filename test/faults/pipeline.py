"""Runs a pipeline in a process group of its own, which a terminal would interrupt as a whole, and tells each exit status.

Standard input: {"stages": [{"words": […], "folder": …, "environment": {…}, "errors": file}…], "files": {name: file}, "output": file, "full": bytes?, "kept": folder}.
`files` are copied to where it runs. Standard output: the statuses, 128 and its number for a signal. With `full`, the folder it is called in becomes a file
system of that size first, what is in it at the end goes to `kept`, and it has to be called by unshare --mount.
"""
import json, os, shutil, subprocess, sys

asked = json.load(sys.stdin)
here = os.getcwd()
if "full" in asked:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={asked['full']}", "tmpfs", here], check=True)
    os.chdir(here)

for name, file in asked["files"].items():
    shutil.copyfile(file, os.path.join(here, name))

running, group, source = [], 0, subprocess.DEVNULL
for stage in asked["stages"]:
    last = stage is asked["stages"][-1]
    with open(stage["errors"], "wb") as errors, open(asked["output"], "ab") as output:
        process = subprocess.Popen(
            stage["words"], cwd=os.path.join(here, stage["folder"]), env=os.environ | stage["environment"],
            stdin=source, stdout=output if last else subprocess.PIPE, stderr=errors, process_group=group)
    if source is not subprocess.DEVNULL:
        source.close()
    group, source = group or process.pid, process.stdout
    running.append(process)

statuses = [process.wait() for process in running]
print(json.dumps([128 - status if status < 0 else status for status in statuses]))
if "full" in asked:
    shutil.copytree(here, asked["kept"], symlinks=True)
