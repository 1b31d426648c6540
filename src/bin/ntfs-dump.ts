import { launch } from '../cli/launch.js'

launch(import('../volumes/ntfs-dump.js'))
