import test from 'ava'
import { windowsStreamName } from '../../../src/sources/files/system-path.js'

test('paths of Windows are named as it shows them from a drive or share on, else as everywhere', (t) => {
  for (const [path, name] of [
    ['C:\\Windows\\System32/drivers', 'C:\\Windows\\System32\\drivers'],
    ['c:/a/./b//c', 'c:\\a\\b\\c'],
    ['C:\\a\\..\\..\\b', 'C:\\b'],
    ['C:\\', 'C:\\'],
    ['\\\\server\\share\\file', '\\\\server\\share\\file'],
    ['//server/share/file', '\\\\server\\share\\file'],
    ['\\\\.\\PhysicalDrive0', '\\\\.\\PhysicalDrive0'],
    ['\\\\?\\C:\\a', '\\\\?\\C:\\a'],
    ['\\a\\b', '/a/b'],
    ['a\\b', 'a/b'],
    ['..\\a', 'a'],
    ['C:', 'C:'],
    ['.', '.'],
    ['ä\\ö', 'ä/ö'],
    ['', '.'],
  ] as const)
    t.is(windowsStreamName(path), name, path)
})
