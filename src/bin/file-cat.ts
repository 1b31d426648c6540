import { launch } from '../cli/launch.js'

launch(import('../sources/file-cat.js'))
