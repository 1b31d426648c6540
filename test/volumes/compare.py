"""
compare.py IMAGE FOLDER: mounts the volume, and writes into FOLDER/differences what diff says of it and FOLDER/out, and
the paths and times that the mount alone has.

Needs root and /dev/fuse.
"""
import os, subprocess, sys

# ntfs-3g lists $MFT not at all, and what is in $Extend only in part.
HIDDEN = ['$MFT', '$Extend']

image, folder = sys.argv[1:]
mounted, out = folder + '/mounted', folder + '/out'
os.mkdir(mounted)
subprocess.run(['ntfs-3g', '-o', 'ro,no_def_opts,silent,streams_interface=none,show_sys_files', image, mounted], check=True)

def times(top):
    for place, folders, files in os.walk(top):
        for name in folders + files:
            if name in HIDDEN or place.endswith('/$Extend'): continue
            status = os.lstat(os.path.join(place, name))
            # What Node gives a file is milliseconds where koffi is not installed.
            yield os.path.relpath(os.path.join(place, name), top), status.st_mtime_ns // 1_000_000

excluded = [word for name in HIDDEN for word in ('-x', name)]
diff = subprocess.run(['diff', '-r', '--no-dereference', *excluded, mounted, out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
lines = diff.stdout.decode(errors='replace').splitlines() + [f'{path} {time}' for path, time in sorted(set(times(mounted)) - set(times(out)))]
subprocess.run(['umount', mounted], check=True)
os.umask(0o022)  # made by root for somebody who is not
with open(folder + '/differences', 'w', encoding='utf-8', errors='surrogateescape') as file: file.write('\n'.join(lines))
