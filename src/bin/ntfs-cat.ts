import { launch } from '../cli/launch.js'

launch(import('../sources/ntfs-cat.js'))
