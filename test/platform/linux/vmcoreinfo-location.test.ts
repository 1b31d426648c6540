import test from 'ava'
import { parseVmcoreinfoLocation } from '../../../src/platform/linux/vmcoreinfo-location.js'

test('where the note lies: both numbers are hexadecimal, the size without 0x', (t) => {
  t.deepEqual(parseVmcoreinfoLocation('0x0000000001378000 1024\n'), { address: 0x1378000n, size: 0x1024 })
  t.is(parseVmcoreinfoLocation(''), undefined)
  t.is(parseVmcoreinfoLocation('0x1000 fffffffff\n'), undefined)
})
