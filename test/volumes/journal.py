"""
journal.py IMAGE FOLDER FIRST AGAIN: makes a volume with the directory docs/new (record 66), docs/new/f.txt (67) and a
change journal: $J has the bytes of FOLDER/J at FIRST and those of FOLDER/again at AGAIN, holes before them; $Max those of
FOLDER/Max.

Needs root and /dev/fuse.
"""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, 'test/formats/ntfs/images')
from volume import Volume, run

image, folder, first, again = sys.argv[1:]
volume = Volume(image, 4096, 512, 16)
open(folder + '/empty', 'w').close()
# Through a mount nobody may create files there.
run('ntfscp', '-f', '-q', image, folder + '/empty', '/$Extend/$UsnJrnl')
journal = '$Extend/$UsnJrnl'
with volume.mounted('norecover'):
    volume.mkdir('docs/new')
    volume.write('docs/new/f.txt', b'f')
    volume.write(journal, b'', '$J')
    with open(volume.path(journal, '$J'), 'r+b') as stream:
        for place, name in [(int(first), 'J'), (int(again), 'again')]:
            with open(folder + '/' + name, 'rb') as file: data = file.read()
            stream.truncate(place)
            stream.seek(place)
            stream.write(data)
    with open(folder + '/Max', 'rb') as file: volume.write(journal, file.read(), '$Max')
os.rmdir(volume.mount_point)
