"""Makes an AFF4-L volume as nobody should: argv is its path, then a link's target that lies outside."""
import json, sys, zipfile

URN = 'aff4://11111111-2222-4333-8444-555555555555'
path, outside = sys.argv[1:]
files = ['../up', '../../up', 'a/../../up', '/abs', '//abs', outside + '/absolute', 'link/through', 'link/deep/through', 'late/through',
         'dot/./in', '', '.', '..', '/', 'a' * 300, ('b' * 200 + '/') * 3 + 'deep', 'nul\0byte', 'twice', 'twice', 'Case', 'case', 'file', 'file/below',
         '..\\win', 'C:\\Windows\\..\\..\\win', 'loop/loop/in', 'x.partial', 'x', '\u202e', 'CON', ' ', '...', '~', '$HOME', '`id`', '-rf',
         'chain2/in']
links = [('link', outside), ('late', outside), ('loop', '.'), ('twice', outside), ('../linkup', outside), ('link', outside), ('file', outside),
         ('chain', outside), ('chain2', 'chain'), ('nothing', ''), ('nul', 'a\0b')]
folders = ['link', '../dir', 'link/dir', '/', 'Case']
turtle = ['@prefix aff4: <http://aff4.org/Schema#> . @prefix pmem: <https://pmem.dev/ns#> .',
          '<%s> a aff4:ZipVolume .' % URN]
with zipfile.ZipFile(path, 'w') as out:
    out.comment = URN.encode()
    out.writestr('container.description', URN)
    out.writestr('version.txt', 'major=1\nminor=1\ntool=evil\n')
    def subject(kind, number, name, more=''):
        urn = '%s//%s/%d' % (URN, kind, number)
        turtle.append('<%s> aff4:originalFileName %s ; pmem:mode "0777" %s .' % (urn, json.dumps(name), more))
        return urn
    for number, name in enumerate(files):
        subject('file', number, name, '; a aff4:FileImage, aff4:Image, aff4:ZipSegment ; aff4:size 4')
        out.writestr('/file/%d' % number, b'evil')
    for number, (name, target) in enumerate(links):
        subject('link', number, name, '; a pmem:SymbolicLink ; pmem:target %s' % json.dumps(target))
    for number, name in enumerate(folders):
        subject('folder', number, name, '; a aff4:Folder, aff4:Image')
    out.writestr('information.turtle', '\n'.join(turtle))
