import test from 'ava'
import { segmentExtension, segmentName, seriesOf } from '../../../src/formats/ewf/segment-names.js'

test('extensions go from digits to letters, and on to the next first letter', (t) => {
  const names = [1, 9, 99, 100, 101, 125, 126, 775, 776].map((number) => segmentExtension('E', number))
  t.deepEqual(names, ['E01', 'E09', 'E99', 'EAA', 'EAB', 'EAZ', 'EBA', 'EZZ', 'FAA'])
  t.is(segmentExtension('E', 99 + 22 * 676), 'ZZZ')
  t.is(segmentExtension('E', 99 + 22 * 676 + 1), undefined)
  t.is(segmentExtension('S', 100), 'SAA')
  t.is(segmentExtension('L', 776), 'MAA')
  t.deepEqual(
    [1, 99, 100, 775, 776, 99 + 3 * 676].map((number) => segmentExtension('Ex', number)),
    ['Ex01', 'Ex99', 'ExAA', 'ExZZ', 'EyAA', 'EzZZ'],
  )
  t.is(segmentExtension('Ex', 99 + 3 * 676 + 1), undefined)
})

test('a set keeps the folder, the name and the case of its first segment', (t) => {
  t.is(segmentName('/case/disk.v1.E01', 100), '/case/disk.v1.EAA')
  t.is(segmentName('disk.e01', 100), 'disk.eaa')
  t.is(segmentName('disk.Ex01', 776), 'disk.EyAA')
  t.is(segmentName('disk.ex01', 776), 'disk.eyaa')
  t.is(segmentName('disk.E02', 3), undefined)
  t.is(segmentName('disk', 2), undefined)
})

test('any segment tells its series, in any case', (t) => {
  t.deepEqual(seriesOf('a.b.FAA', 776), { stem: 'a.b', series: 'E' })
  t.deepEqual(seriesOf('A.s02', 2), { stem: 'A', series: 'S' })
  t.deepEqual(seriesOf('a.eX03', 3), { stem: 'a', series: 'Ex' })
  t.is(seriesOf('a.E02', 3), undefined)
  t.is(seriesOf('E01', 1), undefined)
})
