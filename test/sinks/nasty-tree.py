"""Makes a tree of everything that a file system lets one make, below the folder given; root is not needed."""
import os, random, socket, subprocess, sys

os.makedirs(sys.argv[1])
os.chdir(os.fsencode(sys.argv[1]))
rand = random.Random(7)

def write(name, data):
    with open(name, 'wb') as file: file.write(data)

for name in ['plain', 'with space', ' leading', 'trailing ', 'new\nline', 'tab\t', 'percent%41', 'a%20b', 'a b', 'quote"', "it's",
             '<angle>', '{brace}|^`', 'hash#?query', '[bracket]', 'back\\slash', '-dash', '.hidden', '..dots', '...', '*', '~', ':', 'c:',
             '\x07\x1b[31m', 'ネコ.txt', 'Ωμέγα', 'שלום', 'e\u0301', 'é', '🦀👩‍👩‍👧', '\u202egnp.exe', '\ufeffbom', 'information.turtle',
             'version.txt', 'map', 'idx', '00000000', 'CON', 'x' * 255, 'ä' * 127]:
    write(name, b'content of ' + os.fsencode(name))
for name in [b'caf\xe9', b'caf%E9', b'\xff\xfe', b'half \xc3']: write(name, b'bytes ' + name)
os.makedirs(b'folder/deep/\xe9t\xe9/empty')
write(b'folder/deep/\xe9t\xe9/file', b'inside')
os.makedirs('folder/no entry')
write('folder/no entry/in', b'x')

big = rand.randbytes(3 << 20) + b'tail'
write('big', big); write('folder/big again', big); write('grown', big + rand.randbytes(2 << 20))
mid = rand.randbytes(100_000)
write('mid', mid); write('folder/mid again', mid)
write('empty', b''); write('empty too', b'')
with open('sparse', 'wb') as file:
    file.truncate(40 << 20); file.seek(17 << 20); file.write(rand.randbytes(5000))
with open('only a hole', 'wb') as file: file.truncate(8 << 20)

os.link('mid', 'folder/mid link'); os.link('big', 'big link'); os.link('plain', 'second name'); os.link('empty', 'empty link')
for target, name in [('plain', 'link'), ('folder', 'to folder'), ('.', 'loop'), ('self', 'self'), ('nowhere', 'dangling'),
                     ('/etc/passwd', 'absolute'), ('../../../../etc', 'far'), (b'caf\xe9', 'to latin'), ('folder/deep', 'folder/deep link'),
                     ('a b', 'to space'), ('x' * 1000, 'long')]:
    os.symlink(target, name)
os.link('link', 'folder/link again', follow_symlinks=False)
os.mkfifo('fifo')
socket.socket(socket.AF_UNIX).bind('socket')

os.chmod('plain', 0o4711); os.chmod('quote"', 0o2755); os.chmod('folder', 0o1777); os.chmod('mid', 0o400); os.chmod('*', 0o604)
for name, value in [('user.comment', b'a b "c" \xe9'), ('user.empty', b''), ('user.with space=', bytes(range(256)))]:
    for file in ['plain', 'big', 'folder', 'folder/mid again']: os.setxattr(file, name, value)
for name, written in [('plain', -449_941_500_123_456_789), ('link', -1), ('big', 1), ('empty', 4_102_444_799_999_999_999)]:
    os.utime(name, ns=(1_234_567_890_123_456_789, written), follow_symlinks=False)
os.chmod('folder/no entry', 0o710)
for folder in ['folder/deep', 'folder/no entry', 'folder', '.']: os.utime(folder, ns=(10**18 + 1, 10**18 + 3))
